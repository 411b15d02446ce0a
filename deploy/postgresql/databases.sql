-- Beside `lake`, which the image makes. Only a new volume is initialised.
CREATE DATABASE medallion OWNER weir;
CREATE DATABASE fleet OWNER weir;
CREATE DATABASE dashboards OWNER weir;
