"""What a file by itself tells of where it has been: traces of programs, of cutting and of coding it again."""
