"""What `jobkit doctor` looks at. Each check gives findings, and none of them writes anything."""
