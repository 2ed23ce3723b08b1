"""Medical knowledge put into a text encoder by contrastive learning."""
