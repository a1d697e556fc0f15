"""What this machine is and may, by its own files: role, right, fence, claim, pause."""
