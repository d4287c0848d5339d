"""Files of one owner alone, written complete or not at all."""
