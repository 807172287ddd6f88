"""Looking at stored faces, choosing among them, and exchanging them with other tools."""
