"""Documents, readers, the registry of corpora, splits and audits."""
