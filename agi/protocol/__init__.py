"""What a script and Asterisk say to each other: the environment, commands and replies of AGI (res/res_agi.c).

Values and rules but for `channel_io`, which carries a running script's commands to Asterisk. `call.Call` is what a
script sees.
"""
