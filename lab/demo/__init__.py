"""`make demo`: power goes and the calls move, on real servers (story) or, where there are none, without root."""
