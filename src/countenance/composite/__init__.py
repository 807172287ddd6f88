"""Generated faces into frames: colour, blend, steadiness."""
