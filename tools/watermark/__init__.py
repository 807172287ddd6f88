"""What the watermark survives, what it costs, and how others do: docs/watermark.md."""
