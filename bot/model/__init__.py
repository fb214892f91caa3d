"""The model's side: what it is told, the APIs that it speaks, the turn that it takes, and what that costs."""
