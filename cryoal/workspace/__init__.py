"""The workspace on disk: plain files, one writer, every file published by one rename."""
