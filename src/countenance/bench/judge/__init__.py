"""The measures that compare a result with the ground truth, and the check of the measures themselves."""
