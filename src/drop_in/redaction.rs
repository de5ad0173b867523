//! What of a document of VMware Cloud callers may see: one table of field names; whatever else there is becomes `null`.
