"""What the kinds of rows are called, in tables and messages."""

CATEGORIES = "rows with every category"
GAPS = "rows with gaps"
LENGTHS = "other lengths"
BOUNDARY = "rows on the decision boundary"
EXTREME = "extreme rows"
NOT_FINITE = "rows with NaN or infinity"
SEARCHED = "worst rows found by search"
