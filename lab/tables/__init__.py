"""Tables that people export: read strictly about their shape, and written so that a spreadsheet runs nothing."""
