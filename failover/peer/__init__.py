"""The other machine, asked over ssh: the words both sides know, and the asking."""
