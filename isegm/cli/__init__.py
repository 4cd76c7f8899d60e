import os

# OpenCV describes damaged files on stderr without their names, and before it is loaded is the only
# time to tell it not to for all processes that this one starts. Errors of isegm name the file.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
