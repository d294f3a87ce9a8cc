// Functions without a body are allowed where there is assembly: the companion core provides them.
