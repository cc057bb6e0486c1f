package com.example;

import java.util.stream.IntStream;

public class Main {
    public static void main(String[] args) {
        int sum = IntStream.rangeClosed(1, 100).sum();
        System.out.println(System.getProperty("user.name") + " counts to " + sum);
    }
}
