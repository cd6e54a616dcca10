//! Signal frames (being written).
