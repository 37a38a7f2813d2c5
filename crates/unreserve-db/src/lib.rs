//! Every difference between databases, a folder each.
