"""How well faces are found, followed, recognised and masked, against exact labels."""
