//! VMware's documents, reduced to the fields of the allow-list.
