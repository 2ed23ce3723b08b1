"""What can be asked for: terms, their codes and colours."""
