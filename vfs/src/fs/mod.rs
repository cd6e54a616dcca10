//! File systems, one folder each.
