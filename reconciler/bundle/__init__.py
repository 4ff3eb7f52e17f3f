"""The bundle: the one directory that is trained, judged, shipped and served."""
