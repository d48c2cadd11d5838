"""Explanations in the hospital's archive: results as DICOM objects. Without torch."""
