"""The model's side: what it is asked and told, in which API's words, and the turn that it takes."""
