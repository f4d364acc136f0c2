"""What older Keras releases meant: their names, laws, configs and files."""
