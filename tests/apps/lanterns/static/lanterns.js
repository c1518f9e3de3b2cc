document.getElementById("said").textContent = "a script of its own";
