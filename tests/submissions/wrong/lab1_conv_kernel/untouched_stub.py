# Nothing was written: the notebook as it was handed out.
# base: release
# loses: everything
# says: not written
