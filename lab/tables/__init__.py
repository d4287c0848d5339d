"""Reading and writing the tables that people exchange: strict about shape, and safe to open in a spreadsheet."""
