"""What a bank may hold of a model: the sheet, features, columns, calibration and portraits."""
