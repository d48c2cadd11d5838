"""Reader studies: cases shown to readers blind, their answers kept at once, the tables that the statistics read."""
