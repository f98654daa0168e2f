"""What every room needs: paths, files, locks, progress, strict input, provenance. No torch, no pandas."""
