-- Run once, when the database server makes its folder: MLflow's tables have a database of their own.
CREATE DATABASE mlflow;
