//! What image-importer reads that others wrote, as a library, so that fuzz targets reach it.

pub mod lists;
