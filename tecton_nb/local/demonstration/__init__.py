"""The data of the demo server: real flights, and the services that Tecton's documents print."""
