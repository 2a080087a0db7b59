# A scenario that checks nothing fails.
# module: no
host a
