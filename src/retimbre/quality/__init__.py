"""What came out: pictures and pages, to see and hear a result."""
