"""Our own BIND: what its configuration says (`named_conf`), what runs (`named`, `zone_status`), and its files.

A zone file is read as records that know where they stand (`zone_text`), edited so that nothing else changes
(`zone_edit`), and read by BIND before and after (`proofread`).
"""
