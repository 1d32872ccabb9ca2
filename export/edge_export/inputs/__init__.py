"""What a person gives at the shell: files of models and files of data."""
