"""What phones and the stage show while a vote goes on, and the results afterwards."""
