"""Many scans: found, segmented on one machine or many, and looked at on one page."""
