"""The parts of a model that a bank may have: the sheet, features, columns, calibration and portraits."""
