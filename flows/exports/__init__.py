"""Each kind of export, a file each; :mod:`flows.export` makes one of them whole."""
