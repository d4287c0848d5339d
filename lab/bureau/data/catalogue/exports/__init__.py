"""A catalogue in the forms that others read: DCAT 3, data contracts, the three lists, and its own files."""

from lab.bureau.data.catalogue.exports.export_files import CatalogueExport, ExportFormat, export_catalogue

__all__ = ["CatalogueExport", "ExportFormat", "export_catalogue"]
