# The released notebook, handed in untouched.
# base: release
# expect: conv_first=0/20 conv_strided=0/25 launch_config=0/15 conv_coalesced=0/25 roofline=0/15
