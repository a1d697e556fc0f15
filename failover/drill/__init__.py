"""A drill between two healthy machines, its report, and the rehearsal that changes nothing."""
