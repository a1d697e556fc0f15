"""Who is told of a change: the admin's programs and web hook (`hooks`), once it is worth telling (`debounce`)."""
