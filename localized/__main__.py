"""`python -m localized` is `render-localized`."""

from localized.command import main

main()
