"""What nets and geometry see in pixels; knows no project."""
