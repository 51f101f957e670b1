"""The data module, its sampler and its batches."""
