"""What would keep a promotion from succeeding, seen before it is needed.

`gather` looks and makes one frozen value of it (`facts.Facts`); the rules are pure functions over that value, in
`registry`. `ready` and `compare` are two more views of what was seen.
"""
